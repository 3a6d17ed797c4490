/* SPDX-License-Identifier: Apache-2.0
 * Which variants this build holds. */
#ifndef RDCT_DSP_CPU_H
#define RDCT_DSP_CPU_H

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define RDCT_HAVE_X86 1
#else
#define RDCT_HAVE_X86 0
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define RDCT_HAVE_NEON 1
#else
#define RDCT_HAVE_NEON 0
#endif

#endif
