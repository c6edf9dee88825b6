package android.media;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Map;

/** Reads WAV files with a header of 44 bytes; "content:" places are paths too. */
public class MediaExtractor {
    private static final int PACKET = 4096;
    private byte[] data;
    private int position = 44;

    public void setDataSource(String path) throws IOException {
        data = Files.readAllBytes(Paths.get(path));
        if (data.length < 44 || data[0] != 'R') throw new IOException("unsupported format");
    }

    public void setDataSource(android.content.Context context, android.net.Uri uri, Map<String, String> headers)
            throws IOException {
        setDataSource(uri.toString().substring("content:".length()));
    }

    public int getTrackCount() {
        return 1;
    }

    private int field(int offset) {
        return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).getInt(offset);
    }

    public MediaFormat getTrackFormat(int track) {
        int channels = field(22) & 0xffff, rate = field(24);
        long duration = (data.length - 44) * 1000000L / (2L * channels * rate);
        return new MediaFormat(Map.of(
            "mime", "audio/raw", "sample-rate", rate, "channel-count", channels, "durationUs", duration));
    }

    public void selectTrack(int track) {}

    public int readSampleData(ByteBuffer buffer, int offset) {
        int size = Math.min(PACKET, data.length - position);
        if (size <= 0) return -1;
        buffer.clear();
        buffer.put(data, position, size);
        return size;
    }

    public long getSampleTime() {
        return (position - 44) * 1000000L / (2L * (field(22) & 0xffff) * field(24));
    }

    public boolean advance() {
        position += PACKET;
        return position < data.length;
    }

    public void release() {
        data = null;
    }
}
