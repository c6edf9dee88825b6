package org.whichdance.whichdance;

/** What gradle makes of android/res. */
public class R {
    public static class drawable {
        public static final int ic_microphone = 2131165300;
    }
}
