package android.view;

/** Upright bars at top and bottom, and a camera at the left. Each SDK has only the methods that it has. */
public class WindowInsets {
    public static class Type {
        public static int systemBars() {
            return 7;
        }

        public static int displayCutout() {
            return 128;
        }
    }

    private static void from(int sdk) {
        if (android.os.Build.VERSION.SDK_INT < sdk) throw new NoSuchMethodError("since " + sdk);
    }

    public android.graphics.Insets getInsets(int kinds) {
        from(30);
        int camera = (kinds & Type.displayCutout()) == 0 ? 0 : 90;
        return (kinds & Type.systemBars()) == 0
            ? new android.graphics.Insets(camera, 0, 0, 0)
            : new android.graphics.Insets(Math.max(1, camera), 24, 2, 48);
    }

    public DisplayCutout getDisplayCutout() {
        from(28);
        return new DisplayCutout();
    }

    public int getStableInsetLeft() {
        return 1;
    }

    public int getStableInsetTop() {
        return 24;
    }

    public int getStableInsetRight() {
        return 2;
    }

    public int getStableInsetBottom() {
        return 48;
    }
}
