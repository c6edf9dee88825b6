package android.view;

public class Window {
    public int flags;

    public void addFlags(int added) {
        flags |= added;
    }

    public void clearFlags(int cleared) {
        flags &= ~cleared;
    }
}
