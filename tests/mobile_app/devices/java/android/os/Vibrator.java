package android.os;

import java.util.Arrays;

public class Vibrator {
    public static String last = "";

    public boolean hasVibrator() {
        return true;
    }

    public void vibrate(VibrationEffect effect) {
        last = "effect " + Arrays.toString(effect.timings);
    }

    public void vibrate(long[] timings, int repeat) {
        last = "pattern " + Arrays.toString(timings);
    }
}
