package android.view;

public class Window {
    public int flags;

    public static class DecorView {
        public WindowInsets getRootWindowInsets() {
            return new WindowInsets();
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
