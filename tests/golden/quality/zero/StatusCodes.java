package terminal.protocol;

/** Status codes sent by the card terminal. */
public final class StatusCodes {

    public static final int OK = 0x0000;
    public static final int OK_OFFLINE = 0x0001;
    public static final int OK_PARTIAL = 0x0002;
    public static final int OK_SIGNATURE_REQUIRED = 0x0003;

    public static final int CARD_MISSING = 0x1000;
    public static final int CARD_UNREADABLE = 0x1001;
    public static final int CARD_EXPIRED = 0x1002;
    public static final int CARD_BLOCKED = 0x1003;
    public static final int CARD_REMOVED_EARLY = 0x1004;
    public static final int CARD_TYPE_UNSUPPORTED = 0x1005;
    public static final int CARD_CHIP_FAILURE = 0x1006;
    public static final int CARD_CONTACTLESS_LIMIT = 0x1007;

    public static final int PIN_WRONG = 0x2000;
    public static final int PIN_TRIES_EXCEEDED = 0x2001;
    public static final int PIN_TIMEOUT = 0x2002;
    public static final int PIN_CANCELLED = 0x2003;
    public static final int PIN_PAD_FAILURE = 0x2004;

    public static final int HOST_UNREACHABLE = 0x3000;
    public static final int HOST_TIMEOUT = 0x3001;
    public static final int HOST_DECLINED = 0x3002;
    public static final int HOST_REFERRAL = 0x3003;
    public static final int HOST_FORMAT_ERROR = 0x3004;
    public static final int HOST_MAC_ERROR = 0x3005;

    public static final int PRINTER_OUT_OF_PAPER = 0x4000;
    public static final int PRINTER_COVER_OPEN = 0x4001;
    public static final int PRINTER_OVERHEATED = 0x4002;

    public static final int TERMINAL_BUSY = 0x5000;
    public static final int TERMINAL_LOCKED = 0x5001;
    public static final int TERMINAL_TAMPERED = 0x5002;
    public static final int TERMINAL_UPDATE_PENDING = 0x5003;
    public static final int TERMINAL_CLOCK_UNSET = 0x5004;

    public static final String MESSAGE_OK = "APPROVED";
    public static final String MESSAGE_DECLINED = "DECLINED";
    public static final String MESSAGE_INSERT = "INSERT CARD";
    public static final String MESSAGE_REMOVE = "REMOVE CARD";
    public static final String MESSAGE_WAIT = "PLEASE WAIT";
    public static final String MESSAGE_PIN = "ENTER PIN";
    public static final String MESSAGE_RETRY = "TRY AGAIN";

    public static final long TIMEOUT_CARD_MS = 60_000L;
    public static final long TIMEOUT_PIN_MS = 30_000L;
    public static final long TIMEOUT_HOST_MS = 20_000L;
    public static final int MAX_PIN_TRIES = 3;
    public static final int MAX_RECEIPT_LINES = 48;
    public static final int RECEIPT_WIDTH = 24;

    private StatusCodes() {
    }
}
