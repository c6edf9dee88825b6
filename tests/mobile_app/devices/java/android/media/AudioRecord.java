package android.media;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A microphone that hears a tone of 441 Hz at half of full scale, ten times as fast as real time. */
public class AudioRecord {
    /** "works", "taken" by another app, "broken", or "unplugged" after three reads. */
    public static String mode = "works";
    public static int lastSource, open;

    private boolean recording;
    private int reads, sample;

    public static int getMinBufferSize(int rate, int channels, int encoding) {
        return 3584;
    }

    public AudioRecord(int source, int rate, int channels, int encoding, int bytes) {
        if (rate != 44100 || channels != 16 || encoding != 2) throw new IllegalArgumentException();
        lastSource = source;
        open++;
    }

    public int getState() {
        return mode.equals("broken") ? 0 : 1;
    }

    public void startRecording() {
        recording = !mode.equals("taken");
    }

    public int getRecordingState() {
        return recording ? 3 : 1;
    }

    public int read(ByteBuffer buffer, int bytes) throws InterruptedException {
        if (!buffer.isDirect()) return -2;
        if (mode.equals("unplugged") && reads++ == 3) return -6;
        Thread.sleep(bytes / 882);
        ByteBuffer view = buffer.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < bytes / 2; i++, sample++)
            view.putShort((short) (16384 * Math.sin(2 * Math.PI * 441 * sample / 44100.0)));
        return bytes;
    }

    public void stop() {
        recording = false;
    }

    public void release() {
        open--;
    }
}
