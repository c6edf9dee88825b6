package android.media;

import java.nio.ByteBuffer;

/** A codec that hands out what it was fed, with one buffer each way. */
public class MediaCodec {
    public static class BufferInfo {
        public int offset, size, flags;
        public long presentationTimeUs;
    }

    private final ByteBuffer input = ByteBuffer.allocateDirect(8192), output = ByteBuffer.allocateDirect(8192);
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
        for (int i = 0; i < size; i++) output.put(input.get(offset + i));
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

    public MediaFormat getOutputFormat() {
        return format;
    }

    public ByteBuffer getOutputBuffer(int index) {
        return output;
    }

    public void releaseOutputBuffer(int index, boolean render) {
        waiting = null;
    }

    public void release() {}
}
