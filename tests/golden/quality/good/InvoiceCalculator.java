package billing;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Turns invoice lines into totals.
 *
 * <p>Tax is rounded once per rate, not once per line, which is what the
 * accounting export expects.
 */
public final class InvoiceCalculator {

    private static final int MONEY_SCALE = 2;
    private static final BigDecimal HUNDRED = BigDecimal.valueOf(100);

    public record Line(String description, int quantity, BigDecimal unitPrice, BigDecimal taxPercent) {
        public Line {
            if (quantity <= 0) {
                throw new IllegalArgumentException("quantity must be positive: " + quantity);
            }
            if (unitPrice.signum() < 0 || taxPercent.signum() < 0) {
                throw new IllegalArgumentException("negative price or tax on: " + description);
            }
        }

        BigDecimal net() {
            return unitPrice.multiply(BigDecimal.valueOf(quantity));
        }
    }

    public record Totals(BigDecimal net, Map<BigDecimal, BigDecimal> taxByRate, BigDecimal gross) {}

    /** A reduction of the net amount; it must never increase it. */
    @FunctionalInterface
    public interface Discount {
        BigDecimal applyTo(BigDecimal net);

        static Discount none() {
            return net -> net;
        }

        static Discount percent(int percent) {
            if (percent < 0 || percent > 100) {
                throw new IllegalArgumentException("percent out of range: " + percent);
            }
            BigDecimal kept = HUNDRED.subtract(BigDecimal.valueOf(percent)).divide(HUNDRED);
            return net -> net.multiply(kept);
        }

        default Discount onlyAbove(BigDecimal threshold) {
            return net -> net.compareTo(threshold) > 0 ? applyTo(net) : net;
        }
    }

    private final Discount discount;

    public InvoiceCalculator(Discount discount) {
        this.discount = discount;
    }

    public Totals calculate(List<Line> lines) {
        Map<BigDecimal, BigDecimal> netByRate = groupByRate(lines);
        BigDecimal listedNet = sum(netByRate.values());
        BigDecimal discountedNet = round(discount.applyTo(listedNet));

        Map<BigDecimal, BigDecimal> taxByRate = new TreeMap<>();
        netByRate.forEach((rate, net) -> {
            BigDecimal share = proportion(net, listedNet).multiply(discountedNet);
            taxByRate.put(rate, round(share.multiply(rate).divide(HUNDRED)));
        });

        BigDecimal gross = discountedNet.add(sum(taxByRate.values()));
        return new Totals(discountedNet, taxByRate, gross);
    }

    private static Map<BigDecimal, BigDecimal> groupByRate(List<Line> lines) {
        // A TreeMap compares with compareTo, so 7 and 7.00 share a bucket.
        Map<BigDecimal, BigDecimal> netByRate = new TreeMap<>();
        for (Line line : lines) {
            netByRate.merge(line.taxPercent(), line.net(), BigDecimal::add);
        }
        return netByRate;
    }

    private static BigDecimal proportion(BigDecimal part, BigDecimal whole) {
        return whole.signum() == 0
                ? BigDecimal.ZERO
                : part.divide(whole, 12, RoundingMode.HALF_EVEN);
    }

    private static BigDecimal sum(Iterable<BigDecimal> amounts) {
        BigDecimal total = BigDecimal.ZERO;
        for (BigDecimal amount : amounts) {
            total = total.add(amount);
        }
        return total;
    }

    private static BigDecimal round(BigDecimal amount) {
        return amount.setScale(MONEY_SCALE, RoundingMode.HALF_UP);
    }
}
