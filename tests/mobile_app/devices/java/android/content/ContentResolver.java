package android.content;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;

public class ContentResolver {
    public OutputStream openOutputStream(android.net.Uri uri) throws IOException {
        return new FileOutputStream(uri.toString().substring("content:".length()));
    }
}
