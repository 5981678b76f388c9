/**
 * Automatically generated file. DO NOT MODIFY
 */
package shop.app;

public final class BuildFlags {
  private BuildFlags() {}

  public static boolean isDebug() {
    return Boolean.parseBoolean("true");
  }

  public static String applicationId() {
    return "shop.app";
  }

  public static int versionCode() {
    return isDebug() ? 1 : 40217;
  }
}
