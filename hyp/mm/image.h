/*
 * Where the image's parts lie; the linker script hyp/boot/gnomon.ld defines these. All are at
 * 4 KiB boundaries. The addresses are of whatever space the code runs in: physical before
 * translation is on, virtual after.
 */
#ifndef HYP_MM_IMAGE_H
#define HYP_MM_IMAGE_H

extern char image_start[];     /* 2 MiB-aligned; text begins here */
extern char image_text_end[];  /* then constants */
extern char image_const_end[]; /* then data, then what the file does not hold */
extern char image_end[];

#endif
