// SPDX-License-Identifier: MIT
#include "client/known_names.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <csignal>
#include <future>
#include <memory>
#include <thread>

namespace xk::client {
namespace {

// Of one question. It lives as long as the thread, which may outlive the one who asked.
struct Question {
    std::promise<Result<std::vector<Place>>> answer;
    Fd has_answer;
};

void start_thread(std::shared_ptr<Question> question, LookUp look_up, std::string host, Family family) {
    // Signals are for the thread that waits.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([question = std::move(question), look_up = std::move(look_up), host = std::move(host), family] {
        question->answer.set_value(look_up(host, family));
        const std::uint64_t one = 1;
        (void)!::write(question->has_answer.get(), &one, sizeof one);
    }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

} // namespace

bool KnownNames::is_stopped() const {
    pollfd stop{stop_, POLLIN, 0};
    return ::poll(&stop, 1, 0) == 1;
}

Result<std::vector<Place>> KnownNames::ask(const std::string& host, Family family) const {
    auto question = std::make_shared<Question>();
    question->has_answer = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!question->has_answer)
        return os_error("waiting for a name server");
    auto answer = question->answer.get_future();
    pollfd fds[] = {{question->has_answer.get(), POLLIN, 0}, {stop_, POLLIN, 0}};
    start_thread(question, look_up_, host, family);
    while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[0].revents == 0)
        return Error{"told to stop while " + in_quotes(host) + " was looked up", {}};
    return answer.get();
}

Result<std::vector<Place>> KnownNames::find(const std::string& host, Family family) {
    const auto known = last_.find({host, family});
    if (known != last_.end() && is_stopped())
        return known->second;
    auto answer = ask(host, family);
    if (answer)
        last_[{host, family}] = *answer;
    else if (known != last_.end())
        return known->second;
    return answer;
}

} // namespace xk::client
