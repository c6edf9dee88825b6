package ai.onnxruntime;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

public class OnnxTensor implements OnnxValue {
    public static int open;
    final ByteBuffer data;
    final long[] shape;

    OnnxTensor(ByteBuffer data, long[] shape) {
        this.data = data;
        this.shape = shape;
        open++;
    }

    public static OnnxTensor createTensor(
            OrtEnvironment environment, ByteBuffer data, long[] shape, OnnxJavaType type) throws OrtException {
        long count = 1;
        for (long side : shape) count *= side;
        if (!data.isDirect() || data.order() != ByteOrder.nativeOrder() || type != OnnxJavaType.FLOAT)
            throw new OrtException("a direct buffer of floats in native order is needed");
        if (data.remaining() != 4 * count) throw new OrtException("the shape does not fit the buffer");
        return new OnnxTensor(data, shape);
    }

    public TensorInfo getInfo() {
        return new TensorInfo(shape);
    }

    public ByteBuffer getByteBuffer() {
        return data;
    }

    @Override
    public void close() {
        open--;
    }
}
