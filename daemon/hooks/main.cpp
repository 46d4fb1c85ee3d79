// SPDX-License-Identifier: MIT
#include "daemon/hooks/supervisor.h"
#include "daemon/log.h"
#include "daemon/privsep/spawn.h"

#include <csignal>
#include <cstdlib>

int main() {
    using namespace xk;
    // xknock-hooks ends when xknockd closes the channel, and not by a signal to the whole process group. SIGPIPE is
    // ignored because the reader of stderr may be gone. The runner resets the signals for each hook.
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, SIG_IGN);
    log::begin("xknock-hooks", std::getenv("XKNOCK_VERBOSE") != nullptr);
    const privsep::Channel channel{Fd(privsep::kWorkerChannel)};
    auto done = hooks::set_up(channel);
    if (done)
        done = hooks::supervise_runner(channel);
    if (!done) {
        log::error(done.error());
        return static_cast<int>(done.error().exit);
    }
    return 0;
}
