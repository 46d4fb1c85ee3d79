// SPDX-License-Identifier: MIT
#include "client/schedule.h"

#include <algorithm>

namespace xk::client {
namespace {

using std::chrono::milliseconds;

// The kernel repeats a SYN that was dropped after a second only, so an attempt that came before the pinhole is lost.
// The attempts in the first twenty milliseconds are close together for that. They are so far apart that the answer to
// one gives the next ones up before the server's program has seen them.
constexpr milliseconds kFirstAttempts[] = {milliseconds(0),  milliseconds(1),  milliseconds(3),  milliseconds(7),
                                           milliseconds(15), milliseconds(60), milliseconds(300)};
constexpr milliseconds kLaterAttempts[] = {milliseconds(2), milliseconds(15), milliseconds(300)};
// A copy against loss. The filter drops it where both arrive.
constexpr milliseconds kCopyAfter{250};
// The request is sealed anew at these times; the first of them is also when the other address mode is tried.
constexpr milliseconds kLaterPackets[] = {milliseconds(500), milliseconds(1500), milliseconds(3000)};
constexpr milliseconds kTurns[] = {milliseconds(500), milliseconds(1000)};
constexpr milliseconds kLaterTurn{3500};

} // namespace

std::vector<Step> schedule() {
    std::vector<Step> steps{{milliseconds(0), Step::What::fresh}, {kCopyAfter, Step::What::copy}};
    for (const milliseconds at : kFirstAttempts)
        steps.push_back({at, Step::What::attempt});
    for (const milliseconds at : kLaterPackets) {
        steps.push_back({at, at == kLaterPackets[0] ? Step::What::other_mode : Step::What::fresh});
        steps.push_back({at + kCopyAfter, Step::What::copy});
        for (const milliseconds after : kLaterAttempts)
            steps.push_back({at + after, Step::What::attempt});
    }
    std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.at < b.at; });
    return steps;
}

milliseconds turn_of_pass(std::size_t pass) { return pass < std::size(kTurns) ? kTurns[pass] : kLaterTurn; }

} // namespace xk::client
