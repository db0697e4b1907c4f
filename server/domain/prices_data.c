/*
 * prices_data.c - model/prices.json as bytes of the program. The assembler reads the file, so no
 * text is quoted or changed on the way.
 */
__asm__(".section .rodata\n.global prices_json\nprices_json:\n.incbin \"" PRICES_FILE
        "\"\n.byte 0\n.previous\n");
