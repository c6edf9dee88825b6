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
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;

/**
 * Computes what the tests' tiny model computes: softmax(5 * share of the power in a dance's 22 bands). Of a
 * network for beats, which is told the dances: the mean of the features, and 1 less, as beat and downbeat; the
 * state with 1 added to each value. The metadata lie beside the model, in PATH.properties.
 */
public class OrtSession {
    public static class SessionOptions {
        public void setIntraOpNumThreads(int threads) {}
    }

    public static class Result implements AutoCloseable {
        private final OnnxTensor[] outputs;

        Result(OnnxTensor... outputs) {
            this.outputs = outputs;
        }

        public OnnxValue get(int index) {
            return outputs[index];
        }

        @Override
        public void close() {
            for (OnnxTensor output : outputs) output.close();
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

    public Set<String> getOutputNames() {
        boolean beats = metadata.containsKey("state_size");
        return new LinkedHashSet<>(beats ? List.of("new_state", "activations") : List.of("scores"));
    }

    private static Result ofBeats(OnnxTensor features, OnnxTensor state) {
        int bands = (int) features.shape[1], frames = (int) features.shape[2], size = (int) state.shape[1];
        ByteBuffer heard = ByteBuffer.allocateDirect(8 * frames).order(ByteOrder.nativeOrder());
        ByteBuffer next = ByteBuffer.allocateDirect(4 * size).order(ByteOrder.nativeOrder());
        ByteBuffer in = features.data.duplicate().order(ByteOrder.nativeOrder());
        ByteBuffer before = state.data.duplicate().order(ByteOrder.nativeOrder());
        for (int frame = 0; frame < frames; frame++) {
            float sum = 0;
            for (int band = 0; band < bands; band++) sum += in.getFloat(4 * (band * frames + frame));
            heard.putFloat(4 * frame, sum / bands);
            heard.putFloat(4 * (frames + frame), sum / bands - 1);
        }
        for (int i = 0; i < size; i++) next.putFloat(4 * i, before.getFloat(4 * i) + 1);
        return new Result(
            new OnnxTensor(next, new long[] {1, size}), new OnnxTensor(heard, new long[] {1, 2, frames}));
    }

    public Result run(Map<String, OnnxTensor> inputs) throws OrtException {
        if (inputs.containsKey("features")) {
            if (!inputs.containsKey("dances")) throw new OrtException("no input named dances");
            return ofBeats(inputs.get("features"), inputs.get("state"));
        }
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
