package android.view;

/** Upright bars at top and bottom, and a camera at the left. */
public class WindowInsets {
    public static class Type {
        public static int systemBars() {
            return 7;
        }

        public static int displayCutout() {
            return 128;
        }
    }

    public android.graphics.Insets getInsets(int kinds) {
        int camera = (kinds & Type.displayCutout()) == 0 ? 0 : 90;
        return (kinds & Type.systemBars()) == 0
            ? new android.graphics.Insets(camera, 0, 0, 0)
            : new android.graphics.Insets(Math.max(1, camera), 24, 2, 48);
    }
}
