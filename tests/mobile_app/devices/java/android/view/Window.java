package android.view;

public class Window {
    /** Those of python-for-android's theme with a display cutout: both bars are translucent. */
    public static int theme = 0x4000000 | 0x8000000;
    public int flags;

    public static class DecorView {
        public WindowInsets getRootWindowInsets() {
            return new WindowInsets();
        }
    }

    public static class Attributes {
        public int flags = theme;
    }

    public Attributes getAttributes() {
        return new Attributes();
    }

    public DecorView getDecorView() {
        return new DecorView();
    }

    public void addFlags(int added) {
        flags |= added;
    }

    public void clearFlags(int cleared) {
        flags &= ~cleared;
    }
}
