// SPDX-License-Identifier: MIT
#include "daemon/hooks/supervisor.h"
#include "daemon/log.h"
#include "daemon/privsep/spawn.h"

#include <csignal>
#include <cstdlib>

int main() {
    using namespace xk;
    // As the worker: it ends when xknockd does, and not before. A hook begins with every signal as it should be.
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, SIG_IGN);
    log::begin("xknock-hooks", std::getenv("XKNOCK_VERBOSE") != nullptr);
    const privsep::Channel channel{Fd(privsep::kWorkerChannel)};
    auto done = hooks::begin(channel);
    if (done)
        done = hooks::supervise(channel);
    if (!done) {
        log::error(done.error());
        return static_cast<int>(done.error().exit);
    }
    return 0;
}
