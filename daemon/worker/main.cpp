// SPDX-License-Identifier: MIT
#include "daemon/log.h"
#include "daemon/privsep/spawn.h"
#include "daemon/worker/worker.h"

#include <csignal>

int main() {
    using namespace xk;
    // Ignore SIGPIPE (the reader of standard error may be gone) and the signals that a terminal sends to all of its
    // processes: the worker ends only when xknockd closes the channel.
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP})
        std::signal(signal, SIG_IGN);
    // It has no details to log.
    log::begin("xknock-worker", false);
    auto worker = worker::Worker::begin(privsep::Channel(Fd(privsep::kWorkerChannel)));
    if (!worker) {
        log::error(worker.error());
        return static_cast<int>(worker.error().exit);
    }
    if (!*worker)
        return 0;
    if (auto ended = (*worker)->run(); !ended) {
        log::error(ended.error());
        return static_cast<int>(ended.error().exit);
    }
    return 0;
}
