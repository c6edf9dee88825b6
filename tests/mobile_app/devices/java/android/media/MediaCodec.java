package android.media;

import java.nio.ByteBuffer;

/** A codec that hands out what it was fed, with one buffer each way. */
public class MediaCodec {
    public static class BufferInfo {
        public int offset, size, flags;
        public long presentationTimeUs;
    }

    private final ByteBuffer input = ByteBuffer.allocateDirect(8192), output = ByteBuffer.allocateDirect(65536);
    private BufferInfo waiting;
    private MediaFormat format;
    private boolean announced;

    public static MediaCodec createDecoderByType(String mime) {
        return new MediaCodec();
    }

    public void configure(MediaFormat format, Object surface, Object crypto, int flags) {
        this.format = format;
    }

    public void start() {}

    public int dequeueInputBuffer(long timeout) {
        return waiting == null ? 0 : -1;
    }

    public ByteBuffer getInputBuffer(int index) {
        return input;
    }

    public void queueInputBuffer(int index, int offset, int size, long time, int flags) {
        waiting = new BufferInfo();
        waiting.size = size;
        waiting.flags = flags;
        waiting.presentationTimeUs = time;
        output.clear();
        if (mode.equals("as the track")) {
            for (int i = 0; i < size; i++) output.put(input.get(offset + i));
        } else {
            output.order(java.nio.ByteOrder.LITTLE_ENDIAN);
            input.order(java.nio.ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < size; i += 2)  // twice the rate, two channels, 32 bit
                for (int copy = 0; copy < 4; copy++) output.putFloat(input.getShort(offset + i) / 32768f);
            waiting.size = 8 * size;
        }
        output.flip();
    }

    public int dequeueOutputBuffer(BufferInfo info, long timeout) {
        if (!announced) {
            announced = true;
            return -2;
        }
        if (waiting == null) return -1;
        info.offset = 0;
        info.size = waiting.size;
        info.flags = waiting.flags;
        info.presentationTimeUs = waiting.presentationTimeUs;
        return 0;
    }

    /** "as the track", or "HE-AAC": a track of half the rate with one channel, decoded to stereo of floats. */
    public static String mode = "as the track";

    public MediaFormat getOutputFormat() {
        if (mode.equals("as the track")) return format;
        return new MediaFormat(java.util.Map.of(
            "sample-rate", 2 * format.getInteger("sample-rate"), "channel-count", 2, "pcm-encoding", 4));
    }

    public ByteBuffer getOutputBuffer(int index) {
        return output;
    }

    public void releaseOutputBuffer(int index, boolean render) {
        waiting = null;
    }

    public void release() {}
}
