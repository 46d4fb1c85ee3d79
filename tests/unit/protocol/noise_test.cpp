// SPDX-License-Identifier: MIT
//
// The handshake against published vectors, and against everything that may be wrong in its two messages.
#include "protocol/noise.h"

#include "vectors.h"

#include <algorithm>
#include <string>
#include <vector>

using namespace xk;
using test::bytes;

namespace {

using Data = std::vector<std::uint8_t>;

Data data(const test::Block& block, const std::string& name) {
    const std::string& text = block.at(name);
    Data out(text.size() / 2);
    if (text.empty())
        return out;
    std::size_t size = 0;
    REQUIRE(sodium_hex2bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, nullptr) == 0);
    REQUIRE(size == out.size());
    return out;
}

const Key kPsk{1};
const Bytes<4> kPrologue{'t', 'e', 's', 't'};
const Key kInitiator{2};
const Key kResponder{3};

// Both ends, as far as a test takes them.
struct Ends {
    Secret<noise::Handshake> initiator;
    Secret<noise::Handshake> responder;
    Data first = Data(noise::kOverhead + 5);
    Data second = Data(noise::kOverhead + 7);

    explicit Ends(const Key& psk = kPsk, ByteView prologue = kPrologue) {
        initiator->begin(kPsk, kPrologue);
        responder->begin(psk, prologue);
        initiator->write_first(kInitiator, Data(5, 0x11), first);
    }
    bool read_first() {
        Data payload(5, 0xff);
        const bool right = responder->read_first(first, payload);
        CHECK(payload == Data(5, right ? 0x11 : 0));
        return right;
    }
    bool write_second() { return responder->write_second(kResponder, Data(7, 0x22), second); }
    bool read_second() {
        Data payload(7, 0xff);
        const bool right = initiator->read_second(second, payload);
        CHECK(payload == Data(7, right ? 0x22 : 0));
        return right;
    }
};

} // namespace

TEST_CASE("both ends give the published messages of NNpsk0, and read them") {
    std::size_t vectors = 0;
    for (const auto& block : test::read_vectors("noise.txt")) {
        CAPTURE(block.at("id"));
        Secret<noise::Handshake> initiator;
        Secret<noise::Handshake> responder;
        initiator->begin(bytes<32>(block, "psk"), data(block, "prologue"));
        responder->begin(bytes<32>(block, "psk"), data(block, "prologue"));

        const Data first = data(block, "payload0");
        Data message(first.size() + noise::kOverhead);
        initiator->write_first(bytes<32>(block, "initiator"), first, message);
        CHECK(message == data(block, "message0"));
        Data payload(first.size());
        REQUIRE(responder->read_first(message, payload));
        CHECK(payload == first);

        const Data second = data(block, "payload1");
        message.resize(second.size() + noise::kOverhead);
        REQUIRE(responder->write_second(bytes<32>(block, "responder"), second, message));
        CHECK(message == data(block, "message1"));
        payload.resize(second.size());
        REQUIRE(initiator->read_second(message, payload));
        CHECK(payload == second);

        CHECK(initiator->transcript() == responder->transcript());
        if (block.contains("transcript"))
            CHECK(initiator->transcript() == bytes<64>(block, "transcript"));
        Secret<noise::TransportKeys> keys(2);
        initiator->split(keys[0]);
        responder->split(keys[1]);
        CHECK(keys[0].to_responder == keys[1].to_responder);
        CHECK(keys[0].to_initiator == keys[1].to_initiator);
        unsigned n = 2;
        for (; block.contains("payload" + std::to_string(n)); ++n) {
            const Data plain = data(block, "payload" + std::to_string(n));
            const Key& key = n % 2 == 0 ? keys[0].to_responder : keys[0].to_initiator;
            message.resize(plain.size() + noise::kAuthenticatorSize);
            noise::encrypt(key, (n - 2) / 2, {}, plain, message);
            CHECK(message == data(block, "message" + std::to_string(n)));
            payload.resize(plain.size());
            REQUIRE(noise::decrypt(key, (n - 2) / 2, {}, message, payload));
            CHECK(payload == plain);
        }
        CHECK(n == (vectors++ == 0 ? 6 : 4));
    }
    CHECK(vectors == 5);
}

TEST_CASE("the pieces give the numbers of an independent implementation") {
    std::size_t hmacs = 0;
    std::size_t encryptions = 0;
    for (const auto& block : test::read_vectors("noise-pieces.txt")) {
        if (block.at("kind") == "hmac") {
            CHECK(noise::hmac(data(block, "key"), data(block, "message")) == bytes<64>(block, "out"));
            ++hmacs;
        } else if (block.at("kind") == "encrypt") {
            const Data plain = data(block, "plain");
            const Data sealed = data(block, "sealed");
            Data out(sealed.size());
            noise::encrypt(bytes<32>(block, "key"), test::number(block, "number"), data(block, "associated"), plain,
                           out);
            CHECK(out == sealed);
            Data opened(plain.size());
            CHECK(noise::decrypt(bytes<32>(block, "key"), test::number(block, "number"), data(block, "associated"),
                                 sealed, opened));
            CHECK(opened == plain);
            ++encryptions;
        }
    }
    CHECK(hmacs == 2);
    CHECK(encryptions == 3);
}

TEST_CASE("a public key of low order ends the handshake, at either end") {
    std::size_t points = 0;
    for (const auto& block : test::read_vectors("noise-pieces.txt")) {
        if (block.at("kind") != "low-order")
            continue;
        const auto point = bytes<32>(block, "public");
        CAPTURE(block.at("public"));
        ++points;
        // Somebody who has the psk makes a first message with this key. Without the private key of a point of low order
        // no Handshake writes it, so it is made of the pieces.
        {
            Ends ends;
            noise::Hash hash{};
            const std::string name = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b";
            std::ranges::copy(name, hash.begin());
            noise::Hash chaining_key = hash;
            const auto mix_hash = [&](ByteView with) {
                crypto_generichash_state state;
                crypto_generichash_init(&state, nullptr, 0, hash.size());
                crypto_generichash_update(&state, hash.data(), hash.size());
                crypto_generichash_update(&state, with.data(), with.size());
                crypto_generichash_final(&state, hash.data(), hash.size());
            };
            const auto output = [](const noise::Hash& from, const Data& before, std::uint8_t number) {
                Data input = before;
                input.push_back(number);
                return noise::hmac(from, input);
            };
            mix_hash(kPrologue);
            noise::Hash temporary = noise::hmac(chaining_key, kPsk);
            chaining_key = output(temporary, {}, 1);
            mix_hash(output(temporary, Data(chaining_key.begin(), chaining_key.end()), 2));
            mix_hash(point);
            temporary = noise::hmac(chaining_key, point);
            chaining_key = output(temporary, {}, 1);
            const auto long_key = output(temporary, Data(chaining_key.begin(), chaining_key.end()), 2);
            Key key;
            std::copy_n(long_key.begin(), key.size(), key.begin());
            std::ranges::copy(point, ends.first.begin());
            noise::encrypt(key, 0, hash, Data(5, 0x11), std::span(ends.first).subspan(noise::kPublicSize));
            REQUIRE(ends.read_first());
            CHECK_FALSE(ends.write_second());
        }
        // The initiator refuses it before it looks at the authenticator.
        Ends ends;
        REQUIRE(ends.read_first());
        REQUIRE(ends.write_second());
        std::ranges::copy(point, ends.second.begin());
        CHECK_FALSE(ends.read_second());
    }
    CHECK(points == 7);
}

TEST_CASE("one changed bit anywhere in a message ends the handshake") {
    for (std::size_t bit = 0; bit < 8 * (noise::kOverhead + 5); ++bit) {
        Ends ends;
        ends.first[bit / 8] = static_cast<std::uint8_t>(ends.first[bit / 8] ^ 1U << bit % 8);
        CAPTURE(bit);
        CHECK_FALSE(ends.read_first());
    }
    for (std::size_t bit = 0; bit < 8 * (noise::kOverhead + 7); ++bit) {
        Ends ends;
        REQUIRE(ends.read_first());
        REQUIRE(ends.write_second());
        ends.second[bit / 8] = static_cast<std::uint8_t>(ends.second[bit / 8] ^ 1U << bit % 8);
        CAPTURE(bit);
        CHECK_FALSE(ends.read_second());
    }
}

TEST_CASE("an end with another psk or another prologue reads nothing") {
    CHECK(Ends().read_first());
    CHECK_FALSE(Ends(Key{9}).read_first());
    CHECK_FALSE(Ends(kPsk, Bytes<4>{'t', 'e', 's', 'u'}).read_first());
    CHECK_FALSE(Ends(kPsk, Bytes<0>{}).read_first());
}

TEST_CASE("each handshake has keys of its own, and so has each direction") {
    Secret<noise::TransportKeys> keys(3);
    for (std::size_t i = 0; i < 2; ++i) {
        Ends ends;
        REQUIRE(ends.read_first());
        REQUIRE(ends.responder->write_second(Key{0, static_cast<std::uint8_t>(i)}, Data(7), ends.second));
        ends.responder->split(keys[i]);
    }
    CHECK(keys[0].to_responder != keys[1].to_responder);
    CHECK(keys[0].to_initiator != keys[1].to_initiator);
    CHECK(keys[0].to_responder != keys[0].to_initiator);
}

TEST_CASE("a wrong authenticator leaves nothing of the text") {
    const Key key{5};
    Data sealed(3 + noise::kAuthenticatorSize);
    noise::encrypt(key, 7, kPrologue, Data{1, 2, 3}, sealed);
    Data out(3, 0xff);
    CHECK_FALSE(noise::decrypt(key, 8, kPrologue, sealed, out));
    CHECK(out == Data(3));
    out.assign(3, 0xff);
    CHECK_FALSE(noise::decrypt(key, 7, {}, sealed, out));
    CHECK(out == Data(3));
    CHECK(noise::decrypt(key, 7, kPrologue, sealed, out));
    CHECK(out == Data{1, 2, 3});
}
