import os
import sys
from PIL import Image

# import numpy as np
# import cv2
# from skimage import filters

#SIZE = 800
#SIZE = 1024
SIZE = 1200


# def load(path):
#     img = cv2.imread(path)
#     img = cv2.cvtColor(img, cv2.COLOR_BGR2RGB)
#     return img
#
#
# def sharpen(img):
#     kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
#     return cv2.filter2D(img, -1, kernel)
#
#
# def equalize(img):
#     ycrcb = cv2.cvtColor(img, cv2.COLOR_RGB2YCrCb)
#     ycrcb[:, :, 0] = cv2.equalizeHist(ycrcb[:, :, 0])
#     return cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB)


def resize(path, out):
    img = Image.open(path)
    w, h = img.size
    # if w < SIZE and h < SIZE:
    #     return
    if w > h:
        nw = SIZE
        nh = int(h * SIZE / w)
    else:
        nh = SIZE
        nw = int(w * SIZE / h)
    # nw = nw - nw % 2
    # nh = nh - nh % 2
    img = img.resize((nw, nh))
    # img = img.resize((nw, nh), Image.LANCZOS)
    # img = img.resize((nw, nh), Image.BICUBIC)
    # img.thumbnail((SIZE, SIZE))
    # img = sharpen(img)
    # img = equalize(img)
    img.save(out)
    # img.save(out, quality=85)
    # img.save(out, "WEBP", quality=80, method=6)


# def watermark(img, text):
#     layer = Image.new("RGBA", img.size, (0, 0, 0, 0))
#     draw = ImageDraw.Draw(layer)
#     font = ImageFont.truetype("arial.ttf", 36)
#     w, h = draw.textsize(text, font)
#     x = img.size[0] - w - 10
#     y = img.size[1] - h - 10
#     draw.text((x, y), text, font=font, fill=(255, 255, 255, 128))
#     return Image.alpha_composite(img.convert("RGBA"), layer)


# def resize_all(folder):
#     pool = Pool(4)
#     files = [os.path.join(folder, f) for f in os.listdir(folder)]
#     pool.map(resize, files)
#     pool.close()
#     pool.join()


# parser = argparse.ArgumentParser()
# parser.add_argument("folder")
# parser.add_argument("--size", type=int, default=800)
# parser.add_argument("--watermark")
# args = parser.parse_args()

folder = sys.argv[1]
for f in os.listdir(folder):
    if f.endswith(".jpg"):
        resize(folder + "/" + f, folder + "/small_" + f)
        # os.remove(folder + "/" + f)
    # elif f.endswith(".png"):
    #     resize(folder + "/" + f, folder + "/small_" + f)
    # elif f.endswith(".gif"):
    #     print("skip", f)
