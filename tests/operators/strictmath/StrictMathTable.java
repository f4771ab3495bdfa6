import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;

/** Reads pairs of doubles (big-endian) on standard input; writes each function of the first, or of both. */
public class StrictMathTable {
  public static void main(String[] args) throws IOException {
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
    DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
    while (true) {
      double x;
      try {
        x = in.readDouble();
      } catch (EOFException end) {
        break;
      }
      double y = in.readDouble();
      out.writeDouble(StrictMath.exp(x));
      out.writeDouble(StrictMath.log(x));
      out.writeDouble(StrictMath.log1p(x));
      out.writeDouble(StrictMath.pow(x, y));
      out.writeDouble(StrictMath.expm1(x));
      out.writeDouble(StrictMath.log10(x));
      out.writeDouble(StrictMath.sinh(x));
      out.writeDouble(StrictMath.cosh(x));
      out.writeDouble(StrictMath.tanh(x));
      out.writeDouble(StrictMath.cbrt(x));
      out.writeDouble(StrictMath.hypot(x, y));
      out.writeDouble(StrictMath.sin(x));
      out.writeDouble(StrictMath.cos(x));
      out.writeDouble(StrictMath.tan(x));
      out.writeDouble(StrictMath.asin(x));
      out.writeDouble(StrictMath.acos(x));
      out.writeDouble(StrictMath.atan(x));
      out.writeDouble(StrictMath.atan2(x, y));
    }
    out.flush();
  }
}
