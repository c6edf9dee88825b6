package android.view;

/** A camera at the left. */
public class DisplayCutout {
    public int getSafeInsetLeft() {
        return 90;
    }

    public int getSafeInsetTop() {
        return 0;
    }

    public int getSafeInsetRight() {
        return 0;
    }

    public int getSafeInsetBottom() {
        return 0;
    }
}
