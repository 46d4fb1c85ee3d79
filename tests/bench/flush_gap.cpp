// SPDX-License-Identifier: MIT
//
// How long the gate stands open when somebody deletes its table: deletes it as often as asked for and waits each time
// until the daemon has put it back. Prints microseconds, a line each. From before the deletion is asked for to when the
// table is seen again, so the kernel's own time for the deletion is in it; what is open is less.
#include "daemon/nft/ruleset.h"

#include <poll.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    using namespace xk;
    using Clock = std::chrono::steady_clock;
    const int count = argc > 1 ? std::atoi(argv[1]) : 100;
    auto socket = nft::Socket::open_nf_tables();
    if (!socket)
        return 1;
    for (int i = 0; i < count; ++i) {
        ::poll(nullptr, 0, 20); // the daemon is at rest again
        const auto begin = Clock::now();
        if (!nft::remove_ruleset(*socket))
            return 1;
        for (;;) {
            const auto there = nft::ruleset_exists(*socket);
            const auto past = Clock::now() - begin;
            if (!there || past > std::chrono::seconds(10))
                return 1;
            if (*there) {
                std::printf("%lld\n", static_cast<long long>(
                                          std::chrono::duration_cast<std::chrono::microseconds>(past).count()));
                break;
            }
        }
    }
    return 0;
}
