/* SPDX-License-Identifier: MIT */
/*
 * xk-old-kernel COMMAND...: runs a program as if the kernel were older than 5.8, for a machine that no such kernel can
 * be had for. Capabilities end before CAP_PERFMON and CAP_BPF (both of 5.8), bpf(2) knows no links to interfaces (5.9),
 * and uname(2) says 2.6, the only old name that Linux can be told to give itself.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

static int lose_capabilities(scmp_filter_ctx filter) {
    /* Out of the bounding set: then root does not get them at exec either. */
    if (prctl(PR_CAPBSET_DROP, CAP_PERFMON, 0, 0, 0) || prctl(PR_CAPBSET_DROP, CAP_BPF, 0, 0, 0))
        return -1;
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 2, SCMP_A0(SCMP_CMP_EQ, PR_CAPBSET_READ),
                         SCMP_A1(SCMP_CMP_GE, CAP_PERFMON)))
        return -1;
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 2, SCMP_A0(SCMP_CMP_EQ, PR_CAPBSET_DROP),
                            SCMP_A1(SCMP_CMP_GE, CAP_PERFMON));
}

int main(int argc, char** argv) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (argc < 2 || !filter) {
        fprintf(stderr, "usage: xk-old-kernel COMMAND...\n");
        return 2;
    }
    if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) || lose_capabilities(filter) ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_EQ, BPF_LINK_CREATE)) ||
        personality(PER_LINUX | UNAME26) < 0 || seccomp_load(filter)) {
        perror("xk-old-kernel");
        return 2;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 2;
}
