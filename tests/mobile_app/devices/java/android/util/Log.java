package android.util;

public class Log {
    public static int w(String tag, String message, Throwable error) {
        return 0;
    }

    public static int i(String tag, String message, Throwable error) {
        return 0;
    }
}
