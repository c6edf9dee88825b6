package android.service.quicksettings;

public class Tile {
    public static final int STATE_INACTIVE = 1, STATE_ACTIVE = 2;
    public int state, shown;

    public void setState(int state) {
        this.state = state;
    }

    public void updateTile() {
        shown = state;
    }
}
