<?php

declare(strict_types=1);

namespace App\Http;

use DateInterval;
use DateTimeImmutable;
use InvalidArgumentException;

/**
 * Creates and verifies links that stop working after a while.
 *
 * The signature covers the path and all query parameters except itself, in a
 * canonical order, so reordering parameters keeps a link valid while changing,
 * adding or removing one does not.
 */
final class SignedUrl
{
    private const SIGNATURE = 'sig';
    private const EXPIRY = 'exp';
    private const MIN_KEY_BYTES = 32;

    public function __construct(
        private readonly string $currentKey,
        /** @var list<string> Keys that still verify but no longer sign. */
        private readonly array $retiredKeys = [],
    ) {
        foreach ([$currentKey, ...$retiredKeys] as $key) {
            if (strlen($key) < self::MIN_KEY_BYTES) {
                throw new InvalidArgumentException('Signing keys need at least 32 bytes.');
            }
        }
    }

    public function sign(string $url, DateTimeImmutable $now, DateInterval $lifetime): string
    {
        [$base, $parameters] = $this->split($url);
        foreach ([self::SIGNATURE, self::EXPIRY] as $reserved) {
            if (array_key_exists($reserved, $parameters)) {
                throw new InvalidArgumentException("The parameter \"$reserved\" is reserved.");
            }
        }

        $parameters[self::EXPIRY] = (string) $now->add($lifetime)->getTimestamp();
        $parameters[self::SIGNATURE] = $this->signature($base, $parameters, $this->currentKey);

        return $base . '?' . http_build_query($parameters);
    }

    public function isValid(string $url, DateTimeImmutable $now): bool
    {
        [$base, $parameters] = $this->split($url);
        $given = $parameters[self::SIGNATURE] ?? null;
        $expiry = $parameters[self::EXPIRY] ?? null;
        unset($parameters[self::SIGNATURE]);

        if (!is_string($given) || !is_string($expiry) || !ctype_digit($expiry)) {
            return false;
        }

        return $this->matchesAnyKey($given, $base, $parameters)
            && $now->getTimestamp() < (int) $expiry;
    }

    private function matchesAnyKey(string $given, string $base, array $parameters): bool
    {
        foreach ([$this->currentKey, ...$this->retiredKeys] as $key) {
            if (hash_equals($this->signature($base, $parameters, $key), $given)) {
                return true;
            }
        }

        return false;
    }

    private function signature(string $base, array $parameters, string $key): string
    {
        ksort($parameters);
        $message = $base . '?' . http_build_query($parameters);
        $digest = hash_hmac('sha256', $message, $key, binary: true);

        return rtrim(strtr(base64_encode($digest), '+/', '-_'), '=');
    }

    /** @return array{string, array<string, mixed>} */
    private function split(string $url): array
    {
        [$base, $query] = explode('?', $url, 2) + [1 => ''];
        parse_str($query, $parameters);

        return [$base, $parameters];
    }
}
