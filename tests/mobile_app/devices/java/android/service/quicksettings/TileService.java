package android.service.quicksettings;

import android.app.PendingIntent;
import android.app.Service;
import android.content.Intent;

public class TileService extends Service {
    public static int opened;
    /** Has the user put the tile into the quick settings? */
    public static boolean there = true;
    public static final Tile tile = new Tile();
    private static TileService bound;
    public boolean locked;

    public void onClick() {}

    public void onStartListening() {}

    public final Tile getQsTile() {
        return there ? tile : null;
    }

    /** The system calls onStartListening soon after. */
    public static final void requestListeningState(
            android.content.Context context, android.content.ComponentName component) {
        if (!there) throw new IllegalArgumentException("no tile");
        try {
            bound = (TileService) component.target.getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
        bound.onStartListening();
    }

    public final boolean isLocked() {
        return locked;
    }

    public final void unlockAndRun(Runnable action) {
        locked = false;
        action.run();
    }

    public final void startActivityAndCollapse(Intent intent) {
        opened++;
    }

    public final void startActivityAndCollapse(PendingIntent intent) {
        opened++;
    }

    @Override
    public android.os.IBinder onBind(Intent intent) {
        return null;
    }
}
