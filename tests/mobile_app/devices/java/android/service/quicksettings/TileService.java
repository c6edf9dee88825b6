package android.service.quicksettings;

import android.app.PendingIntent;
import android.app.Service;
import android.content.Intent;

public class TileService extends Service {
    public static int opened;
    public boolean locked;

    public void onClick() {}

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
