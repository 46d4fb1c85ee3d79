// SPDX-License-Identifier: MIT
#include "client/hello_numbers.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace xk;
using namespace xk::client;
using handshake::Number;

namespace {

std::vector<Number> run_of(HelloState& state, unsigned count) {
    HelloPlan plan;
    std::vector<Number> numbers;
    for (unsigned i = 0; i < count; ++i)
        numbers.push_back(plan.next(state));
    return numbers;
}

// How many hellos of one run it takes until one is in the window behind `last`; 0: more than `most`.
unsigned hellos_until(HelloState& state, Number last, unsigned most) {
    HelloPlan plan;
    for (unsigned i = 1; i <= most; ++i)
        if (const Number number = plan.next(state); number > last && number <= last + kHelloWindow)
            return i;
    return 0;
}

} // namespace

TEST_CASE("the first hellos of a run have the next numbers, and the next run goes on behind them") {
    HelloState state{.answered = 7};
    CHECK(run_of(state, 2) == std::vector<Number>{8, 9});
    CHECK(run_of(state, 3) == std::vector<Number>{10, 11, 12});
    note_answer(state, 11);
    CHECK(run_of(state, 1) == std::vector<Number>{12});
}

TEST_CASE("behind 64 numbers without an answer it begins at the first one again") {
    HelloState state{.answered = 7};
    for (int i = 0; i < 64; ++i)
        CHECK(run_of(state, 1)[0] == Number(8 + i));
    CHECK(run_of(state, 1)[0] == 8);
}

TEST_CASE("wherever the server is ahead, a stride meets its window, and most often soon") {
    for (const Number ahead : {0u, 1u, 2u, 3u, 5u, 63u, 64u, 65u, 127u, 128u, 500u, 1000u, 1999u}) {
        CAPTURE(ahead);
        HelloState lost, behind{.answered = 12345};
        CHECK(hellos_until(lost, ahead, 40) != 0);
        CHECK(hellos_until(behind, 12345 + ahead, 40) != 0);
    }
    HelloState state;
    CHECK(hellos_until(state, 1000, 40) <= 20);
}

TEST_CASE("a server that is very far ahead is found by some run, because each one looks further") {
    HelloState state{.answered = 3};
    unsigned runs = 1;
    while (hellos_until(state, 100'000, 80) == 0 && runs < 100)
        ++runs;
    CHECK(runs < 30);
    // And one that is near all the same, when it was a stride that was lost.
    CHECK(hellos_until(state, 3 + 300, 12) != 0);
}

TEST_CASE("strides end at a million and begin again") {
    HelloState state{.answered = 1};
    Number most = 0;
    for (int i = 0; i < 300; ++i)
        for (const Number number : run_of(state, 80))
            most = std::max(most, number);
    CHECK(most == 1 + Number{kHelloWindow} * kMostStrides);
    CHECK(state.strides <= kMostStrides);
}

TEST_CASE("among the strides the next numbers come again, for a network that was away") {
    HelloState state{.answered = 1000};
    std::set<Number> near;
    for (const Number number : run_of(state, 60))
        if (number > 1000 && number < 1064)
            near.insert(number);
    CHECK(near.size() >= 7);
}

TEST_CASE("a server that began anew is found, and believed") {
    HelloState state{.answered = 5000};
    CHECK(hellos_until(state, 0, 6) != 0);
    note_answer(state, 64);
    CHECK(state == HelloState{.answered = 64});
}

TEST_CASE("the answer to an earlier hello does not take back a later one") {
    HelloState state{.answered = 5000, .tried = 2};
    note_answer(state, 4990);
    CHECK(state == HelloState{.answered = 5000, .tried = 2});
    note_answer(state, 5001);
    CHECK(state == HelloState{.answered = 5001});
}

TEST_CASE("the state is read as it was written, and nothing from another text") {
    const HelloState state{.answered = 123456789012, .tried = 63, .strides = 77};
    CHECK(parse_hello_state(text_of(state)) == state);
    for (const char* text : {"", "1", "1 2", "1 2 3", "1 2 3\n4", " 1 2 3\n", "1 64 0\n", "1 0 16385\n", "-1 0 0\n",
                             "4611686018427387903 0 0\n", "99999999999999999999 0 0\n", "1 2 3 \n"})
        CHECK_FALSE(parse_hello_state(text).has_value());
}
