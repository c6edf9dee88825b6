package org.whichdance.whichdance;

import android.app.PendingIntent;
import android.content.Intent;
import android.os.Build;
import android.service.quicksettings.TileService;

/** The tile in the quick settings: opens the app, which then listens at once. */
public class ListenTile extends TileService {
    private static volatile boolean wanted;

    /** Was the tile pressed since this was last asked? */
    public static boolean take() {
        boolean was = wanted;
        wanted = false;
        return was;
    }

    @Override
    public void onClick() {
        if (isLocked()) unlockAndRun(this::open);
        else open();
    }

    private void open() {
        wanted = true;
        Intent intent = getPackageManager().getLaunchIntentForPackage(getPackageName());
        intent.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        if (Build.VERSION.SDK_INT >= 34)
            startActivityAndCollapse(PendingIntent.getActivity(this, 0, intent, PendingIntent.FLAG_IMMUTABLE));
        else startActivityAndCollapse(intent);
    }
}
