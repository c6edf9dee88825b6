package ai.onnxruntime;

import java.io.IOException;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/**
 * Computes what the tests' tiny model computes: softmax(5 * share of the power in a dance's 22 bands).
 * The metadata lie beside the model, in PATH.properties.
 */
public class OrtSession {
    public static class SessionOptions {
        public void setIntraOpNumThreads(int threads) {}
    }

    public static class Result implements AutoCloseable {
        private final OnnxTensor scores;

        Result(OnnxTensor scores) {
            this.scores = scores;
        }

        public OnnxValue get(int index) {
            return scores;
        }

        @Override
        public void close() {
            scores.close();
        }
    }

    private static final int DANCES = 10, BANDS_PER_DANCE = 22;
    private final Map<String, String> metadata = new HashMap<>();

    OrtSession(String path) throws OrtException {
        Path beside = Paths.get(path + ".properties");
        if (!Files.exists(beside)) throw new OrtException("not a model");
        try (Reader reader = Files.newBufferedReader(beside, StandardCharsets.UTF_8)) {
            Properties properties = new Properties();
            properties.load(reader);
            for (String key : properties.stringPropertyNames()) metadata.put(key, properties.getProperty(key));
        } catch (IOException error) {
            throw new OrtException(error.toString());
        }
    }

    public OnnxModelMetadata getMetadata() {
        return new OnnxModelMetadata(metadata);
    }

    public Result run(Map<String, OnnxTensor> inputs) throws OrtException {
        OnnxTensor mel = inputs.get("mel");
        if (mel == null) throw new OrtException("no input named mel");
        int batch = (int) mel.shape[0], bands = (int) mel.shape[2], frames = (int) mel.shape[3];
        ByteBuffer scores = ByteBuffer.allocateDirect(4 * batch * DANCES).order(ByteOrder.nativeOrder());
        ByteBuffer power = mel.data.duplicate().order(ByteOrder.nativeOrder());
        for (int item = 0; item < batch; item++) {
            double[] share = new double[DANCES];
            double total = 0;
            for (int band = 0; band < bands; band++)
                for (int frame = 0; frame < frames; frame++) {
                    double value = power.getFloat();
                    total += value;
                    if (band / BANDS_PER_DANCE < DANCES) share[band / BANDS_PER_DANCE] += value;
                }
            double sum = 0;
            for (int dance = 0; dance < DANCES; dance++)
                sum += share[dance] = Math.exp(5 * share[dance] / Math.max(total, 1e-12));
            for (int dance = 0; dance < DANCES; dance++) scores.putFloat((float) (share[dance] / sum));
        }
        scores.flip();
        return new Result(new OnnxTensor(scores, new long[] {batch, DANCES}));
    }
}
