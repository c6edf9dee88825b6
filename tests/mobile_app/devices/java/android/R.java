package android;

public class R {
    public static class drawable {
        public static final int ic_btn_speak_now = 17301668;
    }
}
