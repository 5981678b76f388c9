#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* #define USE_I2C */
/* #define OLD_BOARD 1 */
#define ADDR 0x48

int read_raw(int ch)
{
    /*
    int fd = open("/dev/i2c-1", O_RDWR);
    if (fd < 0) {
        return -1;
    }
    if (ioctl(fd, I2C_SLAVE, ADDR) < 0) {
        close(fd);
        return -1;
    }
    unsigned char buf[3];
    buf[0] = 1;
    buf[1] = 0xC3 | (ch << 4);
    buf[2] = 0x03;
    write(fd, buf, 3);
    usleep(10000);
    read(fd, buf, 2);
    close(fd);
    return (buf[0] << 8) | buf[1];
    */
    FILE *f = fopen("/tmp/adc", "r");
    int v = 0;
    if (f) {
        for (int i = 0; i <= ch; i++)
            fscanf(f, "%d", &v);
        fclose(f);
    }
    return v;
}

#if 0
double old_temp(int raw)
{
    double r = 10000.0 * raw / (32767 - raw);
    double t = 1.0 / (log(r / 10000.0) / 3950.0 + 1.0 / 298.15);
    return t - 273.15;
}

double old_hum(int raw)
{
    if (raw < 100)
        return 0;
    if (raw > 20000)
        return 100;
    return (raw - 100) / 199.0;
}
#endif

double temp(int raw)
{
    // return raw * 0.0078125;
    // return raw / 128.0 - 40;
    // return (raw - 1234) / 55.5;
    return raw / 100.0 - 40;
}

int main(int argc, char **argv)
{
    int n = 0;
    // int avg[10];
    // int pos = 0;
    // for (int i = 0; i < 10; i++)
    //     avg[i] = 0;
    while (1) {
        int a = read_raw(0);
        // int b = read_raw(1);
        // int c = read_raw(2);
        double t = temp(a);
        // avg[pos] = a;
        // pos = (pos + 1) % 10;
        // int s = 0;
        // for (int i = 0; i < 10; i++)
        //     s += avg[i];
        // t = temp(s / 10);
        if (t > 60) {
            // system("shutdown -h now");
            // beep();
            printf("HOT %f\n", t);
        }
        // if (b > 3000 && c < 200) {
        //     printf("door open\n");
        //     system("/home/pi/door.sh &");
        // }
        printf("%d %f\n", n, t);
        // FILE *log = fopen("/var/log/temp.log", "a");
        // fprintf(log, "%d %f %d %d\n", n, t, b, c);
        // fclose(log);
        n++;
        // if (n == 1000) break;
        // usleep(500000);
        // sleep(10);
        sleep(1);
    }
}
