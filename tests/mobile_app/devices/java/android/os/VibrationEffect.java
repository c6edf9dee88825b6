package android.os;

public class VibrationEffect {
    final long[] timings;

    private VibrationEffect(long[] timings) {
        this.timings = timings;
    }

    public static VibrationEffect createWaveform(long[] timings, int repeat) {
        if (repeat != -1) throw new IllegalArgumentException("it would never end");
        return new VibrationEffect(timings);
    }
}
