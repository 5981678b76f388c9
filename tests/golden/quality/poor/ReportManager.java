package reports;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileReader;
import java.io.FileWriter;
import java.util.ArrayList;
import java.util.HashMap;

/**
 * The report manager manages all reports of the application.
 */
public class ReportManager {

    public static String lastError = "";
    public static int count = 0;

    public static String createReport(String type, String file, String out, String format, boolean header, int year, String region) {
        String result = "";
        ArrayList rows = new ArrayList();
        HashMap sums = new HashMap();
        double total = 0;
        double max = -1;
        double min = 99999999;
        int lines = 0;
        try {
            File f = new File(file);
            if (!f.exists()) {
                lastError = "no file";
                return null;
            }
            BufferedReader r = new BufferedReader(new FileReader(f));
            String line = r.readLine();
            while (line != null) {
                lines++;
                if (header && lines == 1) {
                    line = r.readLine();
                    continue;
                }
                String[] p = line.split(";");
                if (p.length < 6) {
                    line = r.readLine();
                    continue;
                }
                boolean use = true;
                if (year > 0) {
                    if (!p[0].substring(0, 4).equals("" + year)) {
                        use = false;
                    }
                }
                if (region != null) {
                    if (!region.equals("")) {
                        if (region.equals("north")) {
                            if (!p[1].equals("1") && !p[1].equals("2") && !p[1].equals("5")) {
                                use = false;
                            }
                        } else if (region.equals("south")) {
                            if (!p[1].equals("3") && !p[1].equals("4")) {
                                use = false;
                            }
                        } else if (region.equals("west")) {
                            if (!p[1].equals("6")) {
                                use = false;
                            }
                        } else {
                            if (!p[1].equals(region)) {
                                use = false;
                            }
                        }
                    }
                }
                if (use) {
                    rows.add(p);
                    double v = 0;
                    if (type.equals("sales")) {
                        v = Double.parseDouble(p[2]) * Double.parseDouble(p[3]);
                    } else if (type.equals("cost")) {
                        v = Double.parseDouble(p[4]);
                    } else if (type.equals("margin")) {
                        v = Double.parseDouble(p[2]) * Double.parseDouble(p[3]) - Double.parseDouble(p[4]);
                    } else if (type.equals("returns")) {
                        if (p[5].equals("R") || p[5].equals("r") || p[5].equals("RET")) {
                            v = Double.parseDouble(p[2]) * Double.parseDouble(p[3]);
                        } else {
                            v = 0;
                        }
                    } else {
                        lastError = "bad type";
                        r.close();
                        return null;
                    }
                    total = total + v;
                    if (v > max) {
                        max = v;
                    }
                    if (v < min) {
                        min = v;
                    }
                    String month = p[0].substring(5, 7);
                    if (sums.get(month) == null) {
                        sums.put(month, Double.valueOf(v));
                    } else {
                        double old = ((Double) sums.get(month)).doubleValue();
                        sums.put(month, Double.valueOf(old + v));
                    }
                }
                line = r.readLine();
            }
            r.close();
            if (format.equals("txt")) {
                result = result + "REPORT " + type + "\n";
                result = result + "==============\n";
                for (int i = 1; i <= 12; i++) {
                    String m = "" + i;
                    if (i < 10) {
                        m = "0" + i;
                    }
                    if (sums.get(m) != null) {
                        result = result + m + ": " + sums.get(m) + "\n";
                    } else {
                        result = result + m + ": 0\n";
                    }
                }
                result = result + "total: " + total + "\n";
                result = result + "max: " + max + "\n";
                result = result + "min: " + min + "\n";
                if (rows.size() > 0) {
                    result = result + "avg: " + (total / rows.size()) + "\n";
                }
            } else if (format.equals("html")) {
                result = result + "<html><body><h1>" + type + "</h1><table>";
                for (int i = 1; i <= 12; i++) {
                    String m = "" + i;
                    if (i < 10) {
                        m = "0" + i;
                    }
                    if (sums.get(m) != null) {
                        result = result + "<tr><td>" + m + "</td><td>" + sums.get(m) + "</td></tr>";
                    } else {
                        result = result + "<tr><td>" + m + "</td><td>0</td></tr>";
                    }
                }
                result = result + "</table><p>total: " + total + "</p>";
                result = result + "<p>max: " + max + "</p>";
                result = result + "<p>min: " + min + "</p>";
                if (rows.size() > 0) {
                    result = result + "<p>avg: " + (total / rows.size()) + "</p>";
                }
                result = result + "</body></html>";
            } else if (format.equals("csv")) {
                for (int i = 1; i <= 12; i++) {
                    String m = "" + i;
                    if (i < 10) {
                        m = "0" + i;
                    }
                    if (sums.get(m) != null) {
                        result = result + m + ";" + sums.get(m) + "\n";
                    } else {
                        result = result + m + ";0\n";
                    }
                }
                result = result + "total;" + total + "\n";
            }
            if (out != null && !out.equals("")) {
                FileWriter w = new FileWriter(out);
                w.write(result);
                w.close();
                if (format.equals("html")) {
                    if (total < 0) {
                        FileWriter w2 = new FileWriter(out + ".warning");
                        w2.write("negative total " + total);
                        w2.close();
                    }
                }
            }
            count++;
            return result;
        } catch (Exception e) {
            lastError = e.toString();
            return null;
        }
    }
}
