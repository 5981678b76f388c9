"""Image resizing module.

Overview
--------
This module provides high-quality functionality for resizing images. It was
written with readability and maintainability in mind. The functions are small,
focused and reusable, and they can be combined in many ways to build powerful
image processing pipelines.

Usage
-----
Use the functions of this module wherever images have to be resized.

Notes
-----
The module follows the usual conventions. Please read the comments below to
learn more about the implementation.
"""

# --------------------------------------------------------------------------
# Imports
# --------------------------------------------------------------------------
import os
import sys
from PIL import Image

# import numpy as np
# import cv2
# from skimage import filters

# --------------------------------------------------------------------------
# Constants
# --------------------------------------------------------------------------
#SIZE = 800
#SIZE = 1024
SIZE = 1200


# --------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------
# def load(path):
#     img = cv2.imread(path)
#     img = cv2.cvtColor(img, cv2.COLOR_BGR2RGB)
#     return img
#
#
# --------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------
# def sharpen(img):
#     kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
#     return cv2.filter2D(img, -1, kernel)
#
#
# --------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------
# def equalize(img):
#     ycrcb = cv2.cvtColor(img, cv2.COLOR_RGB2YCrCb)
#     ycrcb[:, :, 0] = cv2.equalizeHist(ycrcb[:, :, 0])
#     return cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB)


# --------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------
def resize(path, out):
    """Resize.

    This function resizes. It takes the parameters, performs the necessary
    steps one after the other and then finishes.

    Parameters
    ----------
    path
        The path.
    out
        The out.

    Returns
    -------
    Nothing is returned by this function.
    """
    # Step 1: open
    img = Image.open(path)
    # Step 2: get the values
    w, h = img.size
    # if w < SIZE and h < SIZE:
    #     return
    # Step 3: decide what to do
    if w > h:
        # Set the value
        nw = SIZE
        # Set the value
        nh = int(h * SIZE / w)
    else:
        # Set the value
        nh = SIZE
        # Set the value
        nw = int(w * SIZE / h)
    # nw = nw - nw % 2
    # nh = nh - nh % 2
    # Step 4: resize
    img = img.resize((nw, nh))
    # img = img.resize((nw, nh), Image.LANCZOS)
    # img = img.resize((nw, nh), Image.BICUBIC)
    # img.thumbnail((SIZE, SIZE))
    # img = sharpen(img)
    # img = equalize(img)
    # Step 5: save
    img.save(out)
    # img.save(out, quality=85)
    # img.save(out, "WEBP", quality=80, method=6)


# --------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------
# def watermark(img, text):
#     layer = Image.new("RGBA", img.size, (0, 0, 0, 0))
#     draw = ImageDraw.Draw(layer)
#     font = ImageFont.truetype("arial.ttf", 36)
#     w, h = draw.textsize(text, font)
#     x = img.size[0] - w - 10
#     y = img.size[1] - h - 10
#     draw.text((x, y), text, font=font, fill=(255, 255, 255, 128))
#     return Image.alpha_composite(img.convert("RGBA"), layer)


# --------------------------------------------------------------------------
# Functions
# --------------------------------------------------------------------------
# def resize_all(folder):
#     pool = Pool(4)
#     files = [os.path.join(folder, f) for f in os.listdir(folder)]
#     pool.map(resize, files)
#     pool.close()
#     pool.join()


# --------------------------------------------------------------------------
# Arguments
# --------------------------------------------------------------------------
# parser = argparse.ArgumentParser()
# parser.add_argument("folder")
# parser.add_argument("--size", type=int, default=800)
# parser.add_argument("--watermark")
# args = parser.parse_args()

# --------------------------------------------------------------------------
# Main program
# --------------------------------------------------------------------------
folder = sys.argv[1]
# Loop over everything
for f in os.listdir(folder):
    # Check the name
    if f.endswith(".jpg"):
        # Call the function
        resize(folder + "/" + f, folder + "/small_" + f)
        # os.remove(folder + "/" + f)
    # elif f.endswith(".png"):
    #     resize(folder + "/" + f, folder + "/small_" + f)
    # elif f.endswith(".gif"):
    #     print("skip", f)
