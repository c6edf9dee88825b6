package android.os;

public class Vibrator {
    public static long total;

    public boolean hasVibrator() {
        return true;
    }

    public void vibrate(VibrationEffect effect) {
        total += effect.milliseconds;
    }

    public void vibrate(long milliseconds) {
        total += milliseconds;
    }
}
