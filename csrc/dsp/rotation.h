/* SPDX-License-Identifier: Apache-2.0
 * Constants of the Loeffler-Ligtenberg-Moschytz butterflies, shared by both transforms and by every instruction set.
 * Q15; a factor above 1 is written as x + mulhrs(x, factor - 1). */
#ifndef RDCT_DSP_ROTATION_H
#define RDCT_DSP_ROTATION_H

#define RDCT_COS_1 32138       /* cos(1 pi/16) */
#define RDCT_SIN_1 6393        /* sin(1 pi/16) */
#define RDCT_COS_3 27246       /* cos(3 pi/16) */
#define RDCT_SIN_3 18205       /* sin(3 pi/16) */
#define RDCT_R2_COS_6 17734    /* sqrt(2) cos(6 pi/16) */
#define RDCT_R2_COS_2_M1 10045 /* sqrt(2) cos(2 pi/16) - 1 */
#define RDCT_R2_M1 13573       /* sqrt(2) - 1 */

#endif
