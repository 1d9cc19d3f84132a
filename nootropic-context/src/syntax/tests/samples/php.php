<?php

namespace App\Sessions;

use App\Store\Environment;
use function App\helper;

define('VERSION', '1');
const LIMIT = 16;

/**
 * One session.
 */
#[Entity]
final class Session extends Base implements Closer
{
    use Logs;

    public const STATE = 'open';
    private ?Pool $pool;

    public function __construct(private Environment $env)
    {
        $this->pool = new Pool();
    }

    // Closes it.
    public static function close(int $id): void
    {
        self::release($id);
        $this->pool->drain();
    }
}

interface Closer
{
    public function close(): void;
}

trait Logs
{
    abstract function log();
}

enum State: string
{
    case Open = 'o';
}

function open_session(string $id)
{
    return strtolower($id);
}
