package android.media;

public class AudioManager {
    public static String unprocessed = "true";

    public String getProperty(String key) {
        return key.equals("android.media.property.SUPPORT_AUDIO_SOURCE_UNPROCESSED") ? unprocessed : null;
    }
}
