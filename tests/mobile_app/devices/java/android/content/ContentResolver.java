package android.content;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

public class ContentResolver {
    /** What a provider says that a document is called; null where it answers nothing at all. */
    public static String displayName;
    /** Has the grant of the document run out? */
    public static boolean revoked;

    public OutputStream openOutputStream(android.net.Uri uri) throws IOException {
        return new FileOutputStream(uri.toString().substring("content:".length()));
    }

    public InputStream openInputStream(android.net.Uri uri) throws IOException {
        return new FileInputStream(uri.toString().substring("content:".length()));
    }

    public android.database.Cursor query(
            android.net.Uri uri, String[] columns, String where, String[] values, String order) {
        if (revoked) throw new SecurityException("Permission Denial: reading " + uri);
        return displayName == null ? null : new android.database.Cursor(columns, displayName);
    }
}
