// Keeps the screen on while listening, where the browser can.

/** @type {WakeLockSentinel | null} */
let lock = null;
let wanted = false;

/** @param {boolean} on */
export async function keepAwake(on) {
  wanted = on;
  if (!on) {
    await lock?.release();
    lock = null;
  } else if (!lock && 'wakeLock' in navigator && document.visibilityState === 'visible') {
    try {
      lock = await navigator.wakeLock.request('screen');
      lock.addEventListener('release', () => (lock = null));
    } catch (error) {
      console.info('the screen may go dark', error); // the battery is low, or the device doesn't allow it
    }
  }
}

document.addEventListener('visibilitychange', () => {
  if (wanted && document.visibilityState === 'visible') {
    keepAwake(true); // the browser lets go of the lock whenever the page is hidden
  }
});
