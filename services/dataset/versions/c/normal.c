/* The form in which texts are compared, of texts whose letters need no tables. */
#include "blocks.h"

static int is_blank(unsigned char letter) {
    return letter == ' ' || (letter >= 9 && letter <= 13) || (letter >= 28 && letter <= 31);
}

/* The letter of three bytes at a place; 0 where there is none of three. */
static uint32_t letter_of_three(const unsigned char *at, const unsigned char *end) {
    if (end - at < 3 || (at[0] & 0xF0) != 0xE0) {
        return 0;
    }
    return (uint32_t)(at[0] & 15) << 12 | (uint32_t)(at[1] & 63) << 6 | (at[2] & 63);
}

/* Letters beyond ASCII that NFKC and case folding leave as they are, whatever stands beside them. */
static int stays(uint32_t letter) {
    return (letter >= 0x4E00 && letter <= 0x9FFF) || letter == 0x3001 || letter == 0x3002 ||
           (letter >= 0x3008 && letter <= 0x3011) || letter == 0x2014 || letter == 0x2018 || letter == 0x2019 ||
           letter == 0x201C || letter == 0x201D;
}

/* The letter of ASCII that NFKC makes of a wide one; 0 of others. */
static unsigned char narrow(uint32_t letter) {
    if (letter == 0x3000) {
        return ' ';
    }
    return letter >= 0xFF01 && letter <= 0xFF5E ? (unsigned char)(letter - 0xFF01 + '!') : 0;
}

/* Whether a text has only letters of ASCII, Chinese ones, and the signs between these. */
static int is_plain(const unsigned char *at, const unsigned char *end) {
    while (at < end) {
        if (*at < 0x80) {
            at++;
            continue;
        }
        uint32_t letter = letter_of_three(at, end);
        if (!stays(letter) && !narrow(letter)) {
            return 0;
        }
        at += 3;
    }
    return 1;
}

int normalise(Bytes *bytes, Py_ssize_t start) {
    unsigned char *data = (unsigned char *)bytes->data;
    const unsigned char *at = data + start, *end = data + bytes->size;
    if (!is_plain(at, end)) {
        return 0;
    }
    unsigned char *kept = data + start;
    int blank = 0;
    while (at < end) {
        uint32_t wide = letter_of_three(at, end);
        unsigned char letter = wide ? narrow(wide) : *at;
        const unsigned char *said = at;
        at += wide ? 3 : 1;
        if (letter && is_blank(letter)) {
            blank = kept > data + start;
            continue;
        }
        if (blank) {
            *kept++ = ' ';
            blank = 0;
        }
        if (wide && !letter) {
            memmove(kept, said, 3);
            kept += 3;
        } else {
            *kept++ = letter >= 'A' && letter <= 'Z' ? letter + 32 : letter;
        }
    }
    bytes->size = (char *)kept - bytes->data;
    return 1;
}
