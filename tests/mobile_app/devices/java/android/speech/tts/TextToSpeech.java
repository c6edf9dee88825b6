package android.speech.tts;

import java.util.Locale;

/** A voice that needs three attempts until it is ready. */
public class TextToSpeech {
    public static String said = "";
    private int attempts;
    private Locale language;

    public interface OnInitListener {
        void onInit(int status);
    }

    public TextToSpeech(android.content.Context context, OnInitListener listener) {}

    public int setLanguage(Locale language) {
        this.language = language;
        return 0;
    }

    public int speak(CharSequence text, int mode, android.os.Bundle parameters, String id) {
        if (attempts++ < 3) return -1;
        said = language.getLanguage() + ": " + text;
        return 0;
    }
}
