package example.shop.payment;

import java.util.List;
import java.util.Map;

// TODO: rename
public class PaymentGateway implements IPaymentGateway {

    private String url;
    private String key;

    public PaymentGateway() {
    }

    public PaymentGateway(String url, String key) {
        this.url = url;
        this.key = key;
    }

    public String getUrl() {
        return url;
    }

    public void setUrl(String url) {
        this.url = url;
    }

    public String getKey() {
        return key;
    }

    public void setKey(String key) {
        this.key = key;
    }

    @Override
    public boolean connect() {
        // TODO connect to the gateway
        return true;
    }

    @Override
    public boolean isConnected() {
        // TODO
        return true;
    }

    @Override
    public Map<String, Object> authorize(String customer, double amount) {
        // TODO implement
        return null;
    }

    @Override
    public Map<String, Object> capture(String id) {
        // TODO implement
        return null;
    }

    @Override
    public boolean refund(String id, double amount) {
        // TODO implement refunds, partial refunds?
        return false;
    }

    @Override
    public boolean cancel(String id) {
        // TODO same as refund?
        return refund(id, 0);
    }

    @Override
    public List<Map<String, Object>> list(String customer) {
        // TODO paging
        return null;
    }

    @Override
    public void handleWebhook(String body) {
        try {
            // TODO parse body
        } catch (Exception e) {
            // TODO
        }
    }

    private String sign(String body) {
        // FIXME use a real signature
        return body + key;
    }
}
