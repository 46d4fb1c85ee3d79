// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/copy_writer.h"

#include "daemon/log.h"

#include <csignal>

namespace xk {

CopyWriter::CopyWriter(StateFiles& files) : files_(files) {
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

CopyWriter::~CopyWriter() {
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    wanted_or_over_.notify_one();
    thread_.join();
}

void CopyWriter::write() {
    {
        const std::lock_guard lock(mutex_);
        wanted_ = true;
    }
    wanted_or_over_.notify_one();
}

void CopyWriter::work() {
    bool failing = false;
    std::unique_lock lock(mutex_);
    for (;;) {
        wanted_or_over_.wait(lock, [this] { return wanted_ || over_; });
        if (!wanted_)
            return;
        wanted_ = false;
        lock.unlock();
        auto saved = files_.save(Now::read(), false);
        if (!saved && !failing)
            log::error(Error(saved.error()).within("after a power cut used codes may count as new"));
        if (saved && failing)
            log::info("the copy of judgement's memory is written again");
        failing = !saved;
        if (failing)
            failed_ = true;
        lock.lock();
    }
}

} // namespace xk
