<?php

$errors = array();

if (isset($_POST['first_name'])) {
    $first_name = trim($_POST['first_name']);
    if ($first_name == '') {
        $errors[] = 'First name is missing';
        $first_name_class = 'error';
    } else if (strlen($first_name) > 50) {
        $errors[] = 'First name is too long';
        $first_name_class = 'error';
    } else {
        $first_name_class = 'ok';
        mysqli_query($conn, "UPDATE form SET first_name = '" . mysqli_real_escape_string($conn, $first_name) . "' WHERE id = " . $id);
    }
}

if (isset($_POST['last_name'])) {
    $last_name = trim($_POST['last_name']);
    if ($last_name == '') {
        $errors[] = 'Last name is missing';
        $last_name_class = 'error';
    } else if (strlen($last_name) > 50) {
        $errors[] = 'Last name is too long';
        $last_name_class = 'error';
    } else {
        $last_name_class = 'ok';
        mysqli_query($conn, "UPDATE form SET last_name = '" . mysqli_real_escape_string($conn, $last_name) . "' WHERE id = " . $id);
    }
}

if (isset($_POST['street'])) {
    $street = trim($_POST['street']);
    if ($street == '') {
        $errors[] = 'Street is missing';
        $street_class = 'error';
    } else if (strlen($street) > 80) {
        $errors[] = 'Street is too long';
        $street_class = 'error';
    } else {
        $street_class = 'ok';
        mysqli_query($conn, "UPDATE form SET street = '" . mysqli_real_escape_string($conn, $street) . "' WHERE id = " . $id);
    }
}

if (isset($_POST['city'])) {
    $city = trim($_POST['city']);
    if ($city == '') {
        $errors[] = 'City is missing';
        $city_class = 'error';
    } else if (strlen($city) > 80) {
        $errors[] = 'City is too long';
        $city_class = 'error';
    } else {
        $city_class = 'ok';
        mysqli_query($conn, "UPDATE form SET city = '" . mysqli_real_escape_string($conn, $city) . "' WHERE id = " . $id);
    }
}

if (isset($_POST['zip'])) {
    $zip = trim($_POST['zip']);
    if ($zip == '') {
        $errors[] = 'Zip is missing';
        $zip_class = 'error';
    } else if (strlen($zip) > 10) {
        $errors[] = 'Zip is too long';
        $zip_class = 'error';
    } else {
        $zip_class = 'ok';
        mysqli_query($conn, "UPDATE form SET zip = '" . mysqli_real_escape_string($conn, $zip) . "' WHERE id = " . $id);
    }
}

if (isset($_POST['phone'])) {
    $phone = trim($_POST['phone']);
    if ($phone == '') {
        $errors[] = 'Phone is missing';
        $phone_class = 'error';
    } else if (strlen($phone) > 20) {
        $errors[] = 'Phone is too long';
        $phone_class = 'error';
    } else {
        $phone_class = 'ok';
        mysqli_query($conn, "UPDATE form SET phone = '" . mysqli_real_escape_string($conn, $phone) . "' WHERE id = " . $id);
    }
}

if (isset($_POST['email'])) {
    $email = trim($_POST['email']);
    if ($email == '') {
        $errors[] = 'Email is missing';
        $email_class = 'error';
    } else if (strlen($email) > 80) {
        $errors[] = 'Email is too long';
        $email_class = 'error';
    } else if (strpos($email, '@') == false) {
        $errors[] = 'Email is wrong';
        $email_class = 'error';
    } else {
        $email_class = 'ok';
        mysqli_query($conn, "UPDATE form SET email = '" . mysqli_real_escape_string($conn, $email) . "' WHERE id = " . $id);
    }
}

if (count($errors) > 0) {
    echo '<div class="errors">';
    foreach ($errors as $e) {
        echo '<p>' . $e . '</p>';
    }
    echo '</div>';
}

echo '<form method="post">';
echo '<label>First name</label><input name="first_name" class="' . $first_name_class . '" value="' . $first_name . '">';
echo '<label>Last name</label><input name="last_name" class="' . $last_name_class . '" value="' . $last_name . '">';
echo '<label>Street</label><input name="street" class="' . $street_class . '" value="' . $street . '">';
echo '<label>City</label><input name="city" class="' . $city_class . '" value="' . $city . '">';
echo '<label>Zip</label><input name="zip" class="' . $zip_class . '" value="' . $zip . '">';
echo '<label>Phone</label><input name="phone" class="' . $phone_class . '" value="' . $phone . '">';
echo '<label>Email</label><input name="email" class="' . $email_class . '" value="' . $email . '">';
echo '<input type="submit">';
echo '</form>';
