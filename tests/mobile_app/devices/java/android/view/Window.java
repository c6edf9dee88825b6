package android.view;

public class Window {
    public int flags;

    public static class Insets {
        public int getSystemWindowInsetLeft() {
            return 1;
        }

        public int getSystemWindowInsetTop() {
            return 24;
        }

        public int getSystemWindowInsetRight() {
            return 2;
        }

        public int getSystemWindowInsetBottom() {
            return 48;
        }
    }

    public static class DecorView {
        public Insets getRootWindowInsets() {
            return new Insets();
        }
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
